"""Forges: where pull requests live. One protocol, a thin client each; nothing that is said there is trusted."""
