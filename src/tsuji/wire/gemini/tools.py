"""`tools` and `toolConfig`, both ways (https://ai.google.dev/api/caching#Tool).

On the wire an entry of `tools` is a bag: functions and tools that Google runs may share one. Rendered, all functions
share the first bag and each other tool has its own, unless the parser remembered another grouping ("~tools").
What a function gives back (`response`) is an annotation that other dialects have no word for, and leave out: the
official client makes one for every Python function that says what it returns. `strict` of a tool from elsewhere: the
API holds calls to the schema as well as it can, there is nothing to switch; it is noted in `losses.dropped`.
"""

from typing import Any, Literal

from tsuji.core.request import ChatRequest
from tsuji.core.tools import ProviderTool, Tool, ToolChoice
from tsuji.wire.dialect import Losses

from .fields import (
    NAME,
    Malformed,
    a_list,
    a_string,
    an_object,
    camel,
    camel_name,
    own,
    place,
    respell,
    strings,
    to_ext,
)
from .parts_out import Wire
from .schema import json_schema

AnyTool = Tool | ProviderTool
Mode = Literal["auto", "none", "required", "named"]
_DECLARED = frozenset(("name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema"))
_RETURNS = ("response", "responseJsonSchema")
_MODES: dict[str, Mode] = {
    "AUTO": "auto",
    "MODE_UNSPECIFIED": "auto",
    "VALIDATED": "auto",
    "ANY": "required",
    "NONE": "none",
}
_MODE_NAMES: dict[Mode, str] = {"auto": "AUTO", "required": "ANY", "named": "ANY", "none": "NONE"}


def parse_tools(value: Any, path: str, snake: list[str]) -> tuple[list[AnyTool], list[int] | None]:
    """The tools, and how many each bag holds where that is not how they would be rendered. Raises Malformed."""
    tools: list[AnyTool] = []
    sizes: list[int] = []
    for i, bag in enumerate(a_list(value, path)):
        at = f"{path}[{i}]"
        before = len(tools)
        for key, item in an_object(bag, at).items():
            if camel_name(key) != "functionDeclarations":
                tools.append(ProviderTool(dialect=NAME, kind=camel_name(key), data={key: item}))
            elif item is not None:
                if key == "function_declarations" and "functionDeclarations" not in snake:
                    snake.append("functionDeclarations")
                listed = enumerate(a_list(item, f"{at}.{key}"))
                tools += [_declaration(each, f"{at}.{key}[{j}]") for j, each in listed]
        sizes.append(len(tools) - before)
    usual = _groups(tools)
    if sizes == [len(group) for group in usual] and [t for group in usual for t in group] == tools:
        return tools, None
    return tools, sizes


def _declaration(value: Any, path: str) -> Tool:
    snake: list[str] = []
    fields = camel(an_object(value, path), snake)
    extra = {k: v for k, v in fields.items() if k not in _DECLARED and v is not None}
    extra |= {"~" + k: fields[k] for k in _RETURNS if fields.get(k) is not None}
    parameters = fields.get("parametersJsonSchema")
    if parameters is not None:
        an_object(parameters, path + ".parametersJsonSchema")
    elif fields.get("parameters") is not None:
        parameters = json_schema(fields["parameters"], path + ".parameters")
        extra["~parameters"] = fields["parameters"]
    description = fields.get("description")
    return Tool(
        name=a_string(fields.get("name"), path + ".name"),
        description=None if description is None else a_string(description, path + ".description"),
        parameters=parameters,
        ext=to_ext(extra, snake),
    )


def _groups(tools: list[AnyTool]) -> list[list[AnyTool]]:
    functions: list[AnyTool] = []
    out: list[list[AnyTool]] = []
    for tool in tools:
        if type(tool) is not Tool:
            out.append([tool])
            continue
        if not functions:
            out.append(functions)
        functions.append(tool)
    return out


def render_tools(request: ChatRequest, losses: Losses) -> list[Wire]:
    """Raises UnsupportedParameterError for tools that another provider runs."""
    tools = list(request.tools)
    groups = _groups(tools)
    sizes: list[int] | None = own(request.ext).get("~tools")
    if sizes is not None and sum(sizes) == len(tools):
        rest = iter(tools)
        groups = [[next(rest) for _ in range(size)] for size in sizes]
    where = {id(tool): f"tools[{i}]" for i, tool in enumerate(tools)}
    bags = [_bag(group, where, losses) for group in groups]
    return [bag for group, bag in zip(groups, bags, strict=True) if bag or not group]


def _bag(group: list[AnyTool], where: dict[int, str], losses: Losses) -> Wire:
    bag: Wire = {}
    for tool in group:
        at = where[id(tool)]
        if type(tool) is Tool:
            bag.setdefault("functionDeclarations", []).append(_render_declaration(tool, at, losses))
        elif type(tool) is ProviderTool and tool.dialect == NAME:
            bag.update(tool.data)
        elif type(tool) is ProviderTool:
            losses.refuse(f"{at} ({tool.kind})", f"{tool.dialect} runs this tool")
    return bag


def _render_declaration(tool: Tool, at: str, losses: Losses) -> Wire:
    out: Wire = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    mine = own(tool.ext)
    if "~parameters" in mine:
        out["parameters"] = mine["~parameters"]
    elif tool.parameters is not None:
        out["parametersJsonSchema"] = tool.parameters
    out.update({k: mine["~" + k] for k in _RETURNS if "~" + k in mine})
    if tool.strict:
        losses.note(at + ".strict")
    if tool.ext:
        place(out, dict(losses.ext(tool.ext, at + ".")))
        if "~snake" in mine:
            out = respell(out, mine["~snake"])
    return out


def parse_choice(value: Any, path: str) -> ToolChoice:
    """`functionCallingConfig`. VALIDATED is "auto" whose calls fit their schemas. Raises Malformed."""
    raw = an_object(value, path)
    fields = camel(raw, [])
    extra: dict[str, Any] = {"~config": raw}
    for key, item in fields.items():
        if key not in ("mode", "allowedFunctionNames") and item is not None:
            extra[key] = item
    given = fields.get("mode")
    mode = _MODES.get(a_string(given, path + ".mode").upper()) if given is not None else "auto"
    if mode is None:
        raise Malformed(path + ".mode", "AUTO, ANY, NONE or VALIDATED")
    names = strings(fields.get("allowedFunctionNames") or [], path + ".allowedFunctionNames")
    if names and mode == "required":
        mode = "named"
    return ToolChoice(mode=mode, names=names, ext=to_ext(extra))


def render_choice(choice: ToolChoice, losses: Losses) -> Wire:
    extra = losses.ext(choice.ext, "tool_choice.")
    config = losses.spelling(choice.ext, "config")
    if config is not None:
        return config
    out: Wire = {"mode": _MODE_NAMES[choice.mode]}
    if choice.names:
        # Only ANY and VALIDATED take names: "auto among these" is VALIDATED.
        out["allowedFunctionNames"] = list(choice.names)
        if choice.mode == "auto":
            out["mode"] = "VALIDATED"
    return {**out, **extra}
