"""The language server (``nginxtls lsp``, extra ``nginxtls[lsp]``): what editors show while a configuration is typed."""
