# SPDX-License-Identifier: MIT
"""Contents of files."""




def content(size, seed=1):
    """`size` bytes without a period that is a power of two."""
    block = bytes((i * i * seed + i // 251) & 0xFF for i in range(65521))
    return (block * (size // len(block) + 1))[:size]
