"""The configuration: one TOML file, typed, checked as a whole before anything uses it.

Owns the file's schema, its checks (each mistake with its line and what to write instead), where secrets come from, and
the answers that follow from file, catalogue and environment together: which provider, which key, which route, which
price. It refuses to open sockets, to keep a secret where a repr or an error could show it, and to let a mistake pass:
an unknown key is an error, not a comment.
"""

from .caching import CacheConfig, CacheRule, SemanticRule
from .config import AdminConfig, Config, LedgerConfig, Listen, Server, Store, Telemetry, Tls
from .given import with_routes
from .guardrail import Guardrail
from .home import default_home
from .load import build_config, check_config, config_path, config_schema, load_config, read_source
from .problem import Problem
from .provider import ProviderConfig
from .secret import Secret
from .source import Source

__all__ = [
    "CacheConfig",
    "CacheRule",
    "AdminConfig",
    "Config",
    "Guardrail",
    "LedgerConfig",
    "Listen",
    "ProviderConfig",
    "Server",
    "Tls",
    "Problem",
    "Secret",
    "SemanticRule",
    "Source",
    "build_config",
    "Store",
    "Telemetry",
    "check_config",
    "config_path",
    "config_schema",
    "default_home",
    "load_config",
    "read_source",
    "with_routes",
]
