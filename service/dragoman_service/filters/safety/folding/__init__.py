"""Text as a reader sees it: without the disguises of upper case, width, accents, invisible characters and scripts."""
