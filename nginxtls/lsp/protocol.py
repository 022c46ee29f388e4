"""The protocol between editor and server as pygls speaks it, which also answers what it cannot process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidRequest, JsonRpcServerNotInitialized
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method

if TYPE_CHECKING:
    from collections.abc import Iterator


class Protocol(LanguageServerProtocol):
    """A protocol in which every request is answered."""

    def structure_message(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return an object of a message unchanged: it might be one in the parameters."""
        return data

    def handle_message(self, message: Any) -> None:
        """Process a message as it was read from JSON. A request that cannot be processed is answered with an error."""
        data = message if isinstance(message, dict) else {}
        method, id = data.get("method"), data.get("id")
        try:
            if self._workspace is None and "method" in data and method not in (lsp.INITIALIZE, lsp.EXIT):
                raise JsonRpcServerNotInitialized
            if self._shutdown and method != lsp.EXIT:
                raise JsonRpcInvalidRequest
            super().handle_message(super().structure_message(data))
        except JsonRpcException as error:
            if "method" not in data or not isinstance(id, int | str):
                raise
            self._send_response(id, error=error.to_response_error())

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: lsp.DidChangeTextDocumentParams) -> Iterator[Any]:
        """Use the text of a document that was not opened: Neovim 0.7 renames one without closing and opening it."""
        document = params.text_document
        if unquote(document.uri) not in self.workspace.text_documents:
            self.workspace.put_text_document(lsp.TextDocumentItem(document.uri, "nginx", document.version, ""))
        yield from super().lsp_text_document__did_change(params)
