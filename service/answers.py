"""Answers to requests, out of what came of their texts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from model.config import Task
from model.hypothesis import Hypothesis
from model.tokenizer import END
from service.catalogue import Catalogue
from service.chinese import in_script
from service.detection import Detection
from service.preparation import Outcome
from service.run import Answer
from service.schemas import (
    AUTO,
    DetectedLanguage,
    RankedOutput,
    SentenceDetails,
    SummarizeRequest,
    SummarizeResponse,
    TextRequest,
    TextsRequest,
    TranslateRequest,
    TranslateResponse,
)


class Plan(NamedTuple):
    """What is to be done with a text, and why."""

    detection: Detection | None
    """Only where the client did not say in what language it is."""
    route: tuple[Task, ...]
    """Empty where the text is its own translation."""
    script: str | None = None
    """Code in whose script of Chinese the outcome is to be written, where it may be in the other one."""


class Translated(NamedTuple):
    """What was done with a text."""

    plan: Plan
    answer: Answer


def translate_response(
    body: TranslateRequest, translated: Sequence[Translated], catalogue: Catalogue
) -> TranslateResponse:
    """Return the answer to POST /translate."""
    detections = [one.plan.detection for one in translated]
    outputs = [_outputs(body, one) for one in translated]
    via = [one.plan.route[0].target if len(one.plan.route) > 1 else None for one in translated]
    return TranslateResponse(
        detectedLanguage=shaped_as(
            body, [DetectedLanguage(confidence=one.confidence, language=one.language) for one in detections if one]
        )
        if body.source == AUTO
        else None,
        via=shaped_as(body, via) if any(via) else None,
        translatedText=shaped_as(body, [best for best, *_ in outputs]),
        alternatives=shaped_as(body, [others for _, *others in outputs]) if body.alternatives else None,
        details=shaped_as(body, [_details(body, one.plan.route[-1:], one.answer, catalogue) for one in translated])
        if body.scores or body.attention
        else None,
    )


def _outputs(body: TranslateRequest, translated: Translated) -> list[str]:
    """Return the distinct outputs of a text, best first."""
    script, texts = translated.plan.script, translated.answer.texts
    return list(dict.fromkeys(in_script(text, body.format, script) for text in texts)) if script else texts


def summarize_response(
    body: SummarizeRequest, task: Task, answers: Sequence[Answer], catalogue: Catalogue
) -> SummarizeResponse:
    """Return the answer to POST /summarize."""
    parts = [len(answer.sources) for answer in answers]
    return SummarizeResponse(
        summaryText=shaped_as(body, [answer.texts[0] for answer in answers]),
        alternatives=shaped_as(body, [answer.texts[1:] for answer in answers]) if body.alternatives else None,
        details=shaped_as(body, [_details(body, (task,), answer, catalogue) for answer in answers])
        if body.scores or body.attention
        else None,
        parts=shaped_as(body, parts) if max(parts) > 1 else None,
    )


def _details(body: TextRequest, task: Sequence[Task], answer: Answer, catalogue: Catalogue) -> list[SentenceDetails]:
    if not task:  # the text is its own translation
        return []
    tokenizer = catalogue.serving[task[0]].tokenizer

    def written(pieces: Sequence[int], spans: Mapping[str, str]) -> list[str]:
        return [spans.get(piece, piece) for piece in tokenizer.pieces(pieces)]

    def details(source: Sequence[int], hypothesis: Hypothesis, outcome: Outcome) -> SentenceDetails:
        texts = outcome.target_texts
        ranked = zip(texts, outcome.outputs, strict=True)
        return SentenceDetails(
            source_text=outcome.source_text,
            target_text=texts[0],
            source=written(source, outcome.spans),
            target=written([*hypothesis.pieces, END], outcome.spans),
            score=hypothesis.score,
            log_probabilities=list(hypothesis.log_probabilities) if body.scores else None,
            # HTML wants attention for itself, too.
            attention=list(map(list, hypothesis.attention)) if body.attention and hypothesis.attention else None,
            hypotheses=[RankedOutput(text=text, score=output.hypothesis.score) for text, output in ranked]
            if body.alternatives
            else None,
        )

    return list(map(details, answer.sources, answer.hypotheses, answer.outcomes))


def shaped_as(body: TextsRequest, values: list[Any]) -> Any:
    """Return one value for one text, a list for a list."""
    return values[0] if isinstance(body.q, str) else values
