"""The dialect of Yandex Foundation Models: text generation, operations, tokenizer."""
