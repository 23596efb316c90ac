import pytest

from model.config import Task


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [("translate:de:en", "de", "en"), ("translate:zh-hans:en", "zh-hans", "en"), ("summarize:en", "en", "en")],
)
def test_a_task_is_read_and_written_in_one_form(text: str, source: str, target: str) -> None:
    task = Task.parse(text)
    assert (task.source, task.target) == (source, target)
    assert str(task) == text
    assert task.tag == f"<{text}>"


@pytest.mark.parametrize(
    "text",
    ["", "translate", "translate:de", "translate:de:de", "translate:de:en:fr", "translate::en", "translate:DE:en",
     "summarize:en:de", "summarize:", "interpret:de:en", "translate:de:en>"],
)  # fmt: skip
def test_what_is_no_task_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Task"):
        Task.parse(text)
