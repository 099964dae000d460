# SPDX-License-Identifier: MIT
"""Records and answers in our own syntax, and their roots on D-Bus."""




def record(name, mtype, size, port, date="23/11/26", host="127.0.0.1", root=None):
    """A record in our own syntax."""
    return f"<{name}, {mtype}, {size}, {date}, {host}, {port}{f', {root}' if root else ''}>"


def found(*records):
    """An answer to SEARCH in our own syntax, from (type, size, port) or (type, size, port,
    date)."""
    return "FOUND: " + ", ".join(
        f"<{r[0]}, {r[1]}, {r[3] if len(r) > 3 else '23/11/26'}, 127.0.0.1, {r[2]}>" for r in records)


def record_root(row):
    """The root of a record from D-Bus, or None."""
    return row[6]["root"]["data"] if "root" in row[6] else None
