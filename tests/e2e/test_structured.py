"""`--json-schema` of the real client, on a model whose host enforces no schema."""

from __future__ import annotations

import msgspec
import pytest

from tests.fakes.listing import GLM
from tests.fakes.openrouter import Ask
from tests.fakes.replies import Scripted, text, tool_call
from tests.support.lab import Lab

SCHEMA = {
    "type": "object",
    "properties": {"animal": {"type": "string"}, "legs": {"type": "integer"}},
    "required": ["animal", "legs"],
    "additionalProperties": False,
}
VALUE = {"animal": "zebra", "legs": 4}
TOOL = "StructuredOutput"


@pytest.mark.parametrize("stubborn", [False, True], ids=["willing", "stubborn"])
async def test_a_json_schema_is_kept_on_a_model_without_structured_outputs(lab: Lab, *, stubborn: bool) -> None:
    for entry in lab.host.models:
        entry["supported_parameters"] = sorted(
            {*entry["supported_parameters"]} - {"structured_outputs", "response_format"}
        )
    answers: list[Scripted] = [text("A zebra, of course."), tool_call(TOOL, {"animal": "zebra"})] if stubborn else []
    answers += [tool_call(TOOL, VALUE), text("Done.")]

    def brain(ask: Ask, _n: int) -> Scripted:
        return answers.pop(0) if ask.body.get("tools") else text("A title.")

    lab.host.script(brain)
    done = await lab.run(
        "-p", "--output-format", "json", "--json-schema", msgspec.json.encode(SCHEMA).decode(), "which animal?"
    )

    assert done.code == 0, done.stderr
    assert msgspec.json.decode(done.stdout)["structured_output"] == VALUE
    asked = [ask for ask in lab.host.asks if ask.model == GLM]
    assert all("response_format" not in ask.body for ask in asked)
    (function,) = (one["function"] for one in asked[0].body["tools"] if one["function"]["name"] == TOOL)
    assert function["parameters"]["required"] == ["animal", "legs"]
    assert len(asked) >= (3 if stubborn else 1)
