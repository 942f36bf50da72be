"""Yandex Foundation Models as an upstream."""
