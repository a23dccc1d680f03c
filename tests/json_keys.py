"""Keys of nested JSON as docs/results.md writes them."""


def keys_of(node, path=""):
    """Return the paths of all values: a dot into an object, `[]` into a list."""
    if isinstance(node, dict):
        return {key for name, value in node.items() for key in keys_of(value, f"{path}.{name}" if path else name)}
    if isinstance(node, list):
        return {key for value in node for key in keys_of(value, f"{path}[]")}
    return {path}


def not_among(keys, content):
    """Return the keys of a file's content that none of the documented ones matches."""
    return {key for key in keys_of(content) if not any(known.matches(key) for known in keys)}
