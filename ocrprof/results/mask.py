"""Takes credentials out of what is about to be stored: by the name they go by, and by the form that they have."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

MASK = "***"

# A name's last words decide: `hf_token`, `WANDB_API_KEY`, `db.password`; not `tokenizer`, `pad_token_id`, `num_tokens`.
_SECRET_WORDS = (
    r"(?:api[_\-]?key|access[_\-]?key(?:[_\-]?id)?|secret(?:[_\-]?key)?|private[_\-]?key|pass(?:word|wd|phrase)|pwd"
    r"|credentials?|auth(?:orization)?|cookie|token|jwt|dsn)"
)
_SECRET_NAME = re.compile(rf"(?:^|[_\-.]){_SECRET_WORDS}$", re.IGNORECASE)
# Words of the text model's own vocabulary that are called tokens too.
_ORDINARY_TOKEN = re.compile(
    r"(?:^|[_\-.])(?:pad|bos|eos|sos|unk|blank|mask|cls|class|sep|start|end|space|special|decoder_start)_token$",
    re.IGNORECASE,
)
# `wandb_key`, `encryption_key`: a credential where the value looks like one, not where it names a field.
_KEY_NAME = re.compile(r"(?:^|[_\-.])key$", re.IGNORECASE)
_KEY_FORM = re.compile(r"['\"]?[A-Za-z0-9+/_\-]{24,}={0,2}['\"]?")
_SECRET_FORMS = re.compile(
    "|".join(
        (
            r"\b(?:sk|pk|rk)-[A-Za-z0-9_\-]{20,}",  # OpenAI, Anthropic, Stripe
            r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}",
            r"\bglpat-[A-Za-z0-9_\-]{20,}",
            r"\bhf_[A-Za-z0-9]{30,}",
            r"\bwandb_v\d_[A-Za-z0-9_]{20,}|\blocal-[0-9a-f]{40}\b",
            r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
            r"\bAIza[A-Za-z0-9_\-]{35}",
            r"\bxox[abprs]-[A-Za-z0-9\-]{10,}",
            r"\bya29\.[A-Za-z0-9_\-]{20,}",
            r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*",  # a JSON web token
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
            r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",  # user:password in a URL
            r"(?<=[Bb]earer )[A-Za-z0-9._~+/\-]{12,}=*",
        )
    )
)
_ASSIGNMENT = re.compile(
    rf"(?P<name>[\w.\-]*(?:{_SECRET_WORDS}|key))(?P<sign>['\"]?\s*[=:]\s*)(?P<value>['\"]?[^\s'\",}}]+['\"]?)",
    re.IGNORECASE,
)
_OPTION = re.compile(r"-{1,2}[A-Za-z][\w\-]*")


def mask_config(value: Any) -> Any:  # Any: JSON values, the same shape back
    """`value` with the values of credentials masked, at any depth."""
    if isinstance(value, Mapping):
        return {key: MASK if _hides(str(key), item) else mask_config(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_config(item) for item in value]
    return _mask_forms(value) if isinstance(value, str) else value


def mask_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Environment variables with the values of credentials masked."""
    return {name: MASK if _hides(name, value) else _mask_forms(value) for name, value in variables.items()}


def mask_argv(arguments: Sequence[str]) -> list[str]:
    """A command line with credentials masked: `key=value`, `--key=value`, and the value after `--key`."""
    masked: list[str] = []
    for index, argument in enumerate(arguments):
        before = arguments[index - 1] if index else ""
        if _OPTION.fullmatch(before) and _hides(before.lstrip("-"), argument) and not argument.startswith("-"):
            masked.append(MASK)
        else:
            masked.append(mask_text(argument))
    return masked


def mask_text(text: str) -> str:
    """Free text with credentials masked, where a name gives them away (`api_key=…`, `password: …`) or their form."""

    def hide(match: re.Match[str]) -> str:
        return f"{match['name']}{match['sign']}{MASK}" if _hides(match["name"], match["value"]) else match[0]

    return _ASSIGNMENT.sub(hide, _mask_forms(text))


def _hides(name: str, value: Any) -> bool:  # Any: a JSON value
    """Whether `value` under this name is a credential: a string or number that is set, not a switch or a subtree."""
    if value in (None, "", MASK) or isinstance(value, bool | Mapping | list):
        return False
    if _KEY_NAME.search(name) and _KEY_FORM.fullmatch(str(value)):
        return True
    return bool(_SECRET_NAME.search(name)) and not _ORDINARY_TOKEN.search(name)


def _mask_forms(text: str) -> str:
    return _SECRET_FORMS.sub(MASK, text)
