"""Paragraphs of WordprocessingML and DrawingML, whose characters are in runs that each name all of their properties.

A run's properties are a span around its text, but for those that most of a paragraph has, which are what is around no
text in particular. Runs that differ only in what no reader sees (a language, a revision) are one.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import groupby
from typing import Any, Literal, NamedTuple, TypeAlias

from lxml import etree

from service.errors import InvalidRequest
from service.formats.inline import MAX_DEPTH, Mark, Node, Span, Text, split_columns
from service.formats.nesting import Half, nest
from service.formats.parts import Dialect

MAX_PROPERTIES = 10_000
"""Characters of a run's properties, of which each element counts for 100: each part of a text gets a copy of them, and
honest ones are a tenth."""
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


class Names(NamedTuple):
    """What a language calls the parts of a paragraph; full names of elements."""

    run: str
    properties: str
    text: str
    characters: Mapping[str, str]
    """Elements of a run that are characters."""
    breaks: frozenset[str]
    """Ends of a line or column."""
    nouns: frozenset[str]
    """Elements that a sentence reads, but that are not to be translated."""
    containers: frozenset[str]
    """Elements around runs."""
    dropped: frozenset[str]
    """Elements that say something of how the text was, as where it was misspelt."""
    last: frozenset[str]
    """Elements that have to be a paragraph's last."""
    unseen: frozenset[str]
    """Properties that do not show."""
    field: str
    """The element that begins and ends a field."""


class _Styled(NamedTuple):
    """Characters of a run."""

    text: str
    properties: Any


class _Item(NamedTuple):
    """An element that is no text."""

    element: Any
    properties: Any = None
    is_in_run: bool = False


class _Field(NamedTuple):
    """The beginning of a field, with its instruction, or a whole one that has no text."""

    entries: list["_Entry"]
    is_begun: bool


class _Wrap(NamedTuple):
    """What a span becomes."""

    properties: Any
    """Of text directly in it."""
    container: Any = None
    start: Sequence["_Entry"] = ()
    end: Sequence["_Entry"] = ()


_Looks: TypeAlias = tuple[object, ...]
_Entry: TypeAlias = _Styled | _Item | _Field | Span | Mark


def dialect(names: Names) -> Dialect:
    """Return how paragraphs of a language are read and written."""
    return Dialect(
        read=lambda element: _Reader(names).read(element, None, 0),
        write=lambda element, root: _Writer(names).fill(element, root.children, root.wrap.properties),
    )


class _Reader:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.keys: dict[Any, _Looks] = {}

    def read(self, element: Any, container: Any, depth: int) -> Span:
        """Return what is directly in an element, as a span that becomes its container again."""
        entries = list(_with_fields(self._entries(element, depth), self._field_part))
        return self._span(nest(entries, self._half, self._pair), container)

    def _span(self, entries: Sequence[_Entry], container: Any = None, *, start: Any = (), end: Any = ()) -> Span:
        """Return entries as nodes: text in spans, but for that in the properties that most of it has."""
        properties: dict[_Looks, Any] = {}
        characters: Counter[_Looks] = Counter()
        for entry in entries:
            if isinstance(entry, _Styled):
                properties.setdefault(self._key(entry), entry.properties)
                characters[self._key(entry)] += len(entry.text)
        base = max(characters, key=lambda key: characters[key], default=())
        nodes: list[Node] = []
        for key, group in groupby(entries, self._group):
            if key is None:
                nodes += (node for entry in group for node in self._nodes(entry))
            elif isinstance(key, str):
                nodes.append(Mark(key, list(group)))
            else:
                text = split_columns("".join(entry.text for entry in group if isinstance(entry, _Styled)))
                nodes += text if key == base else [Span(_Wrap(properties[key]), text)]
        return Span(_Wrap(properties.get(base), container, start, end), nodes)

    def _key(self, entry: _Styled) -> _Looks:
        """Return what is equal where properties look the same."""
        if entry.properties is None:
            return ()
        if entry.properties not in self.keys:
            self.keys[entry.properties] = self._looks(entry.properties)
        return self.keys[entry.properties]

    def _looks(self, element: Any) -> _Looks:
        attributes = sorted(item for item in element.items() if item[0] not in self.names.unseen)
        children = [(child.tag, self._looks(child)) for child in element if child.tag not in self.names.unseen]
        return (*attributes, *children)

    def _group(self, entry: _Entry) -> _Looks | Literal["img", "br"] | None:
        """Return by what an entry is one node with its neighbours: text by its looks, marks that have no words."""
        if isinstance(entry, _Styled):
            return self._key(entry)
        if isinstance(entry, _Field) or (isinstance(entry, _Item) and entry.element.tag not in self.names.nouns):
            is_break = isinstance(entry, _Item) and entry.element.tag in self.names.breaks
            return "br" if is_break else "img"
        return None

    def _nodes(self, entry: _Entry) -> Iterator[Node]:
        if isinstance(entry, _Item):
            yield Mark("code", [entry], "".join(entry.element.itertext()).strip())
        elif isinstance(entry, Span | Mark):
            yield entry

    def _entries(self, element: Any, depth: int) -> Iterator[_Entry]:
        names = self.names
        for child in element:
            if child.tag == names.run:
                yield from self._of_run(child)
            elif self._stays(child) or child.tag in names.dropped:
                continue
            elif child.tag in names.containers and depth < MAX_DEPTH:
                yield self.read(inner_of(child), child, depth + 1)
            else:
                yield _Item(child)

    def _of_run(self, run: Any) -> Iterator[_Entry]:
        names = self.names
        properties = run.find(names.properties)
        if properties is not None and sum(map(_size, properties.iter())) > MAX_PROPERTIES:
            raise InvalidRequest("Invalid file: the properties of a run of text are larger than is allowed")
        for child in run:
            if child.tag == names.text:
                yield _Styled(child.text or "", properties)
                for inner in child:  # a comment or a processing instruction
                    yield _Item(inner, properties, is_in_run=True)
                    yield _Styled(inner.tail or "", properties)
            elif child.tag in names.characters:
                yield _Styled(names.characters[child.tag], properties)
            elif child.tag != names.properties and child.tag not in names.dropped:
                yield _Item(child, properties, is_in_run=True)

    def _stays(self, child: Any) -> bool:
        return stays(child) or child.tag in self.names.last

    def _field_part(self, entry: _Entry) -> str:
        """Return whether an entry begins a field, separates its instruction from its text, or ends it."""
        if not isinstance(entry, _Item) or entry.element.tag != self.names.field:
            return ""
        return next((value for name, value in entry.element.items() if name.endswith("}fldCharType")), "")

    def _half(self, entry: _Entry) -> Half | None:
        if isinstance(entry, _Field):
            return Half(True, "field") if entry.is_begun else None
        if self._field_part(entry) == "end":
            return Half(False, "field")
        if not isinstance(entry, _Item) or not isinstance(entry.element.tag, str):
            return None
        tag = entry.element.tag
        number = next((value for name, value in entry.element.items() if name.endswith("}id")), "")
        if tag.endswith("Start"):
            return Half(True, (tag.removesuffix("Start"), number))
        return Half(False, (tag.removesuffix("End"), number)) if tag.endswith("End") else None

    def _pair(self, start: _Entry, children: list[_Entry], end: _Entry) -> _Entry:
        if not isinstance(start, _Field) or _is_link(start):
            return self._span(children, start=[start], end=[end])
        reads = "".join(entry.text for entry in children if isinstance(entry, _Styled))
        return Mark("code", [start, *children, end], reads.strip())


def _size(element: Any) -> int:
    return 100 + sum(map(len, (element.text or "", element.tail or "", *element.values())))


def stays(child: Any) -> bool:
    """Say whether an element is properties of the one that it is in, before all else there."""
    return isinstance(child.tag, str) and child.tag.endswith("Pr")


def inner_of(container: Any) -> Any:
    """Return the element of a container that its runs are in."""
    return next((child for child in container if str(child.tag).endswith("}sdtContent")), container)


def _with_fields(entries: Iterator[_Entry], part_of: Callable[[_Entry], str]) -> Iterator[_Entry]:
    """Yield entries, those from the beginning of a field to its text as one: they make no sense apart."""
    for entry in entries:
        if part_of(entry) != "begin":
            yield entry
            continue
        field, depth, part = [entry], 1, "begin"
        for inner in entries:
            field.append(inner)
            part = part_of(inner)
            depth += (part == "begin") - (part == "end")
            if depth == 0 or (depth == 1 and part == "separate"):
                break
        yield _Field(field, part == "separate" and depth == 1)


def _is_link(field: _Field) -> bool:
    """Say whether a field's text is for readers; others are numbers, dates and references, which programs fill in."""
    items = [entry.element for entry in field.entries if isinstance(entry, _Item)]
    instruction = "".join("".join(item.itertext()) for item in items).split()
    return bool(instruction) and instruction[0].upper() in ("HYPERLINK", "TOC", "QUOTE", "FORMTEXT")


class _Writer:
    def __init__(self, names: Names) -> None:
        self.names = names

    def fill(self, element: Any, nodes: Sequence[Node], properties: Any) -> None:
        """Put nodes in the place of all that was read from an element."""
        last = [child for child in element if child.tag in self.names.last]
        # To take out what is large, rather than to move it, takes lxml quadratic time.
        end = etree.SubElement(element, self.names.run)
        self._put_all(element, nodes, properties)
        element.extend(last)
        for child in list(element)[: element.index(end) + 1]:
            if not stays(child):
                element.remove(child)

    def _put_all(self, parent: Any, nodes: Sequence[Node | _Entry], properties: Any) -> None:
        run: Any = None
        own: Any = None
        for node in nodes:
            if not isinstance(node, _Styled) and not (isinstance(node, _Item) and node.is_in_run):
                own = None
                self._put(parent, node, properties)
                continue
            if own is None or node.properties is not own:  # what was in one run shares its properties again
                own = node.properties
                run = self._new_run(parent, own)
            if isinstance(node, _Styled):
                self._put_text(run, node.text)
            else:
                node.element.tail = None
                run.append(node.element)

    def _put(self, parent: Any, node: Node | _Entry, properties: Any) -> None:
        match node:
            case Text(text) | Mark(_, str(text)):
                self._put_text(self._new_run(parent, properties), text)
            case _Item(element):
                element.tail = None
                parent.append(element)
            case Mark(_, entries) | _Field(entries, _):
                self._put_all(parent, entries, properties)
            case Span(wrap, children) if wrap.container is not None:
                parent.append(wrap.container)
                wrap.container.tail = None
                self.fill(inner_of(wrap.container), children, wrap.properties)
            case Span(wrap, children):
                self._put_all(parent, wrap.start, properties)
                self._put_all(parent, children, wrap.properties)
                self._put_all(parent, wrap.end, properties)

    def _new_run(self, parent: Any, properties: Any) -> Any:
        run = etree.SubElement(parent, self.names.run)
        if properties is not None:
            run.append(deepcopy(properties))
        return run

    def _put_text(self, run: Any, text: str) -> None:
        element = etree.SubElement(run, self.names.text)
        element.text = text
        if text != text.strip() and "wordprocessingml" in self.names.run:
            element.set(_SPACE, "preserve")
