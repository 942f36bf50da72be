"""Google's services for language models as upstreams."""
