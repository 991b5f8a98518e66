"""What botocore, which boto3 is made of, makes of requests and answers: the service model of Bedrock Runtime."""

from typing import Any

from botocore.awsrequest import HeadersDict
from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

MODEL = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
_PARSER = create_parser(MODEL.protocol)
STREAM: Any = MODEL.shape_for("ConverseStreamOutput")


def complaints(body: dict[str, Any]) -> str:
    """What boto3's own check of its arguments has to say of a request; "" where it would send it."""
    shape: Any = MODEL.operation_model("Converse").input_shape
    return ParamValidator().validate({"modelId": "m", **body}, shape).generate_report()


def unknown(value: Any, shape: Any, path: str = "") -> list[str]:
    """The members of a value that the shape does not have: botocore's parser leaves them out in silence."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        out: list[str] = []
        for name, item in value.items():
            member = shape.members.get(name)
            out += [f"{path}.{name}"] if member is None else unknown(item, member, f"{path}.{name}")
        return out
    if shape.type_name == "list":
        return [found for i, item in enumerate(value) for found in unknown(item, shape.member, f"{path}[{i}]")]
    return []


def answer(body: bytes, operation: str = "Converse", status: int = 200) -> Any:
    """A whole answer as boto3 returns it; an error as `{"Error": {"Code", "Message"}}`."""
    shape: Shape | None = MODEL.operation_model(operation).output_shape
    return _PARSER.parse({"status_code": status, "headers": HeadersDict(), "body": body}, shape)


def events(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream as boto3 iterates over them; the last may be `{"Error": ...}`, which it raises."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    parser: Any = _PARSER._event_stream_parser
    return [event for m in buffer if (event := parser.parse(m.to_response_dict(), STREAM))]
