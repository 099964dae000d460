# SPDX-License-Identifier: MIT
"""The commands of README.md, as a reader would copy them: the indented lines, block by block, below a heading."""

import re

from machines import SOURCE


class Readme:
    """What is taken is noted, so that nothing can be told a reader that nobody has tried."""

    def __init__(self, *headings):
        self.left = [block for heading in headings for block in blocks(heading)]

    def take(self, start):
        """The block whose first line begins with that."""
        found = [block for block in self.left if block.startswith(start)]
        assert len(found) == 1, f"README.md has {len(found)} blocks that begin with {start!r}"
        self.left.remove(found[0])
        return found[0]


def blocks(heading):
    text = (SOURCE / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert section, f"README.md has no section {heading!r}"
    found = re.findall(r"(?:^    .*\n)(?:(?:^    .*\n)|(?:^\n)(?=^    ))*", section[1], re.M)
    return [re.sub(r"^    ", "", block, flags=re.M).strip("\n") for block in found]
