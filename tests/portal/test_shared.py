from redis import Redis

from portal import shared


def test_what_one_process_says_another_hears():
    assert shared.ask(lambda redis: redis.set("test-shared", "heard", ex=5), otherwise=None)
    assert shared.ask(lambda redis: redis.get("test-shared"), otherwise=None) == b"heard"


def test_without_a_redis_what_was_said_for_that_case_holds(settings):
    assert shared.ask(lambda redis: redis.set("test-shared", "heard", ex=5), otherwise=None)
    settings.SHARED_REDIS_URL = ""
    shared.shared_redis.cache_clear()
    assert shared.ask(lambda redis: redis.get("test-shared"), otherwise=None) is None
    shared.shared_redis.cache_clear()


def test_after_a_failure_nobody_is_asked_for_a_second(settings, tmp_path, monkeypatch):
    settings.SHARED_REDIS_URL = f"unix://{tmp_path / 'nobody.sock'}"
    shared.shared_redis.cache_clear()
    times = []

    def question(redis: Redis) -> bool:
        times.append(1)
        return bool(redis.ping())

    assert [shared.ask(question, otherwise=False) for _ in range(3)] == [False, False, False]
    assert times == [1]
    monkeypatch.setattr(shared.Silence, "until", 0.0)
    assert shared.ask(question, otherwise=False) is False
    assert times == [1, 1]
    shared.shared_redis.cache_clear()
    monkeypatch.setattr(shared.Silence, "until", 0.0)
