"""Needs what is not there."""

import no_such_library  # type: ignore[import-not-found]

open_broken = no_such_library.open
