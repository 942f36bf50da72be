"""Yandex's API as a client speaks it: requests are encoded, answers are decoded."""
