"""Wire twins of Yandex Cloud's text generation."""
