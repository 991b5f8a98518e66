"""Models in several files: NAME-00001-of-00003.gguf and so on. Pure.

Their naming is llama.cpp's, which is given the first and finds the others beside it (llama_split_path of llama.h).
"""

import re

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
MOST = 999  # files of one model


def stem(file_name: str) -> str:
    """What names the model: the file's name without its ending and without its place among others."""
    found = _SHARD.fullmatch(file_name)
    return found["stem"] if found else file_name.removesuffix(".gguf")


def is_first(file_name: str) -> bool:
    """Whether it is the file that llama.cpp is given: the first of several, or the only one."""
    found = _SHARD.fullmatch(file_name)
    return found is None or int(found["number"]) == 1


def shards(file_name: str) -> list[str]:
    """The names of all files of the model, in order. Raises ValueError where the name counts them absurdly."""
    found = _SHARD.fullmatch(file_name)
    if found is None:
        return [file_name]
    count = int(found["count"])
    if not 1 <= count <= MOST:
        raise ValueError(f"{file_name} says that it is one of {count} files")
    return [f"{found['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
