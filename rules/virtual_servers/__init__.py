"""Rules about sockets and server names: which server answers which client, and servers that never do."""

from nginxtls.rules.virtual_servers import (
    addresses,
    default_server,
    ech,
    listeners,
    main_file,
    other_hosts,
    server_names,
)

__all__ = ["addresses", "default_server", "ech", "listeners", "main_file", "other_hosts", "server_names"]
