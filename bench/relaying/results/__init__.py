"""From samples to figures, tables, a plot and a page."""
