"""The routes that translate files: one takes a file and says where its translation is, the other hands that out."""

import asyncio
import mimetypes
from collections.abc import Iterable
from itertools import islice
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from service.blocks import split_html
from service.catalogue import whole
from service.chinese import TRADITIONAL, in_script, script_to_write, served_as
from service.codes import route_between, with_codes_of
from service.deadline import Deadline
from service.detection import MAX_CHARACTERS
from service.errors import InvalidRequest, NotFound, Overloaded, describe_invalid_fields
from service.files import in_thread, open_file, translate_file
from service.formats.opened import FileJob, Format, Opened
from service.keys import KeyScope
from service.languages import is_spaceless
from service.requests import unless_client_leaves
from service.routes import get_state
from service.schemas import AUTO, ErrorResponse, FileRequest, FileResponse
from service.text_routes import ERRORS, DirectRoute
from service.translator import Options, Translator, aside

TRANSLATE_FILE = "/translate_file"
UNPACKED = 5
"""Times of what a file may be, when it is unpacked."""
REPEATED = 5
"""Times of the characters that its texts may have, when those that it has often count as often."""
MAX_FILES = 16
"""That may be coming in, waiting or being translated, each of which takes memory."""
TEXT_SUFFIXES = {".txt", ".md", ".html", ".srt"}

files = APIRouter(route_class=DirectRoute)

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "source", "target"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        **FileRequest.model_json_schema()["properties"],
                    },
                }
            }
        },
    }
}


@files.post(TRANSLATE_FILE, response_model=FileResponse, responses=ERRORS, openapi_extra=_FORM)
async def post_file(request: Request) -> Response:
    """Translate a file; all of it but its text stays as it is."""
    state = await get_state(request)
    translator = state.translator  # which finishes what was accepted, also where the service begins to shut down
    await state.access.admit(request, KeyScope.TRANSLATE)
    if state.files_in_progress >= MAX_FILES:
        raise Overloaded(f"Too busy: {MAX_FILES} files are being translated")
    state.files_in_progress += 1
    try:
        content, name, fields = await _read_form(request)
        await state.access.admit_by_body(request, KeyScope.TRANSLATE, fields.api_key)
        kept_as = await _translate_and_keep(request, translator, content, PurePath(name), fields)
    finally:
        state.files_in_progress -= 1
    url = f"{str(request.base_url).rstrip('/')}/download_file/{quote(kept_as)}"
    return Response(FileResponse(translatedFileUrl=url).model_dump_json(), media_type="application/json")


async def _translate_and_keep(
    request: Request, translator: Translator, content: bytes, name: PurePath, fields: FileRequest
) -> str:
    """Translate a file; return the name under which it can be had."""
    state = await get_state(request)
    fields = with_codes_of(state.languages, fields)
    suffix = name.suffix.lower()
    if suffix in TEXT_SUFFIXES and len(content) > 4 * state.settings.file_char_limit:
        raise InvalidRequest(f"Invalid file: its text exceeds the limit of {state.settings.file_char_limit} characters")

    async def work() -> bytes:
        deadline = Deadline(state.settings.timeout_seconds)
        async with deadline.held(), state.file_turns:
            return await _translate_file(request, translator, content, suffix, fields, deadline)

    translated = await unless_client_leaves(request, work())
    return await aside(len(translated), lambda: state.downloads.add(translated, name.stem, suffix))


async def _translate_file(
    request: Request, translator: Translator, content: bytes, suffix: str, fields: FileRequest, deadline: Deadline
) -> bytes:
    state = await get_state(request)
    is_known = fields.source != AUTO
    job = FileJob(
        fields.source if is_known else "",
        fields.target,
        max_bytes=UNPACKED * state.settings.max_file_bytes,
        max_characters=REPEATED * state.settings.file_char_limit,
    )
    opened = await open_file(content, suffix, job)
    if not is_known:
        sample = await in_thread(lambda: _sample(opened))
        best = (await aside(len(sample), lambda: state.detect(sample)))[0]
        if not best.confidence:  # it is in no language served
            return content
        fields = fields.model_copy(update={"source": best.language})
        if is_spaceless(fields.source):  # its lines are joined otherwise
            opened = await open_file(content, suffix, job._replace(source=fields.source))

    async def translate(texts: list[str], text_format: Format) -> list[str]:
        return await _translate(request, translator, texts, text_format, fields, deadline)

    return await translate_file(opened, translate)


def _sample(opened: Opened) -> str:
    """Return what a language is told by: the beginning of the text, without scripts and styles."""
    blocks = (block.text for text in opened.texts for block in split_html(text).blocks)
    texts: Iterable[str] = blocks if opened.format == "html" else opened.texts
    return "\n".join(islice(texts, MAX_CHARACTERS))[:MAX_CHARACTERS]


async def _read_form(request: Request) -> tuple[bytes, str, FileRequest]:
    """Return a file, the name that it has, and the fields beside it."""
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename:
                raise InvalidRequest("Invalid request: missing file parameter")
            fields = {**request.query_params, **{key: value for key, value in form.items() if isinstance(value, str)}}
            file.filename.encode()  # half of a surrogate pair could not be written into an answer
            return await file.read(), file.filename, FileRequest.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequest(describe_invalid_fields(error)) from error
    except ValueError as error:  # the client chose a charset that decodes nothing
        raise InvalidRequest("Invalid form: its text cannot be decoded") from error


async def _translate(
    request: Request,
    translator: Translator,
    texts: list[str],
    text_format: Format,
    fields: FileRequest,
    deadline: Deadline,
) -> list[str]:
    state = await get_state(request)
    characters, limit = sum(map(len, texts)), state.settings.file_char_limit
    if characters > limit:
        raise InvalidRequest(f"Invalid file: its text ({characters}) exceeds the limit of {limit} characters")
    if served_as(fields.source) == served_as(fields.target):
        script = script_to_write("".join(texts), fields.source, fields.target)
        return await _in_script(texts, text_format, script) if script else texts
    route = route_between(fields.source, fields.target, translator.catalogue)
    request.state.task = whole(route)
    options = Options(
        timeout_seconds=deadline.seconds,
        waited_seconds=deadline.waited_seconds,
        client=request.state.client,
        text_format=text_format,
        glossary=fields.glossary,
    )
    answers = await translator.run_along(route, texts, options)
    translations = [answer.texts[0] for answer in answers]
    is_traditional = fields.target == TRADITIONAL
    return await _in_script(translations, text_format, TRADITIONAL) if is_traditional else translations


async def _in_script(texts: list[str], text_format: Format, script: str) -> list[str]:
    return await aside(sum(map(len, texts)), lambda: [in_script(text, text_format, script) for text in texts])


@files.get(
    "/download_file/{name}",
    response_class=Response,
    openapi_extra={"parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]},
    responses={
        200: {"description": "The file", "content": {"application/octet-stream": {}}},
        404: {"model": ErrorResponse, "description": "There is no such file, or no more"},
    },
)
async def download_file(request: Request) -> Response:
    """Hand out a translated file."""
    state = await get_state(request)
    name = str(request.path_params["name"])
    content = await asyncio.to_thread(state.downloads.read, name)
    if content is None:
        raise NotFound("There is no such file, or no more")
    _, _, shown = name.partition(".")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(shown)}"}
    media_type = mimetypes.guess_type(shown)[0] or "application/octet-stream"
    if media_type == "text/html":  # what a client brought is not to run as a page of this service
        media_type = "application/octet-stream"
    return Response(content, media_type=media_type, headers=headers)
