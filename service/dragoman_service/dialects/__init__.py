"""Pure codecs between one vendor's wire format and the messages of dragoman.v1, one folder per vendor."""
