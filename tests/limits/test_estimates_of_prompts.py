"""Estimates of prompts learn from what providers count."""

from dragoman_service.limits.calls.estimates import EVERY, MODELS, Estimates


def test_a_model_that_was_never_asked_has_the_usual_ratio():
    assert Estimates().tokens(300, "vendor/new") == 100


def test_estimates_follow_the_prompts_with_the_most_tokens_for_their_size():
    estimates = Estimates()
    for number in range(4 * EVERY):
        estimates.learn("vendor/m", 400, 200 if number % 5 == 0 else 100)  # a fifth has 2 bytes a token

    assert estimates.tokens(400, "vendor/m") == 200
    assert estimates.tokens(400, "vendor/other") == 133


def test_what_a_model_did_long_ago_is_forgotten():
    estimates = Estimates()
    for ratio in (2, 4):
        for _ in range(10 * EVERY):
            estimates.learn("vendor/m", 400, 400 // ratio)

    assert estimates.tokens(400, "vendor/m") == 100


def test_nonsense_teaches_nothing_and_memory_is_bounded():
    estimates = Estimates()
    for number in range(3 * MODELS):
        for _ in range(EVERY):
            estimates.learn(f"vendor/{number}", 100, 0)
            estimates.learn(f"vendor/{number}", 100, 1)

    assert estimates.tokens(80, "vendor/0") == 27, "forgotten"
    assert estimates.tokens(80, f"vendor/{3 * MODELS - 1}") == 10, "at most 8 bytes a token"
    assert len(estimates._seen) == len(estimates._ratios) == len(estimates._learned) == MODELS
