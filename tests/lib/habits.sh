# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Checks of habits: what a compiler does not see and a reviewer should not have to say. To be
# sourced at the top of the tree, beside checks.sh. Each says what is wrong and returns non-zero.

# check_columns [FILE...]: lines past 100 columns in C, shell and meson files.
check_columns() {
    local files=("$@")

    [ ${#files[@]} -gt 0 ] || mapfile -d '' -t files < <(find src tests conf dbus man systemd \
        meson.build meson_options.txt \( -name '*.[ch]' -o -name '*.sh' -o -name '*.bash' \
        -o -name 'meson*' -o -path tests/run -o -path tests/demo -o -path tests/lib/commit-hook \
        -o -path conf/install-config \) -type f -print0)
    python3 - "${files[@]}" <<'PYTHON'
import sys

LIMIT = 100
found = 0
for name in dict.fromkeys(sys.argv[1:]):
    try:
        text = open(name, encoding="utf-8").read()
    except (OSError, UnicodeDecodeError):
        continue
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LIMIT:
            print(f"{name}:{number}: {len(line)} columns")
            found += 1
if found:
    print(f"{found} lines past {LIMIT} columns")
sys.exit(found > 0)
PYTHON
}

# check_tidy BUILD-DIRECTORY [FILE...]: clang-tidy, as .clang-tidy says, over the C files of src
# that the build compiles; or over those of FILE that it compiles. Uses all processors.
check_tidy() {
    local build=$1 files
    shift

    mapfile -d '' -t files < <(python3 - "$build" "$@" <<'PYTHON'
import json, os, sys

build = sys.argv[1]
wanted = {os.path.realpath(name) for name in sys.argv[2:]}
files = set()
for entry in json.load(open(os.path.join(build, "compile_commands.json"))):
    name = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
    if name in wanted if wanted else name.startswith(os.path.realpath("src") + "/"):
        files.add(os.path.relpath(name))
for name in sorted(files):
    print(name, end="\0")
PYTHON
    )
    command -v clang-tidy >/dev/null || {
        echo "clang-tidy is not installed"
        return 1
    }
    [ ${#files[@]} -gt 0 ] || return 0
    # What it writes to stderr only counts the warnings that it suppresses.
    printf '%s\0' "${files[@]}" | xargs -0 -n 4 -P "$(nproc)" clang-tidy -p "$build" --quiet \
        --warnings-as-errors='*' 2>/dev/null
}

# check_documents: the documents for developers name only files and constants that exist, and
# ARCHITECTURE.md names every module of src.
check_documents() {
    python3 - <<'PYTHON'
import glob, os, re, sys

folders = ["conf", "dbus", "debian", "doc", "man", "src", "systemd", "tests"]
files = [os.path.join(path, name) for folder in folders for path, _, names in os.walk(folder)
         for name in names] + glob.glob("*")
modules = [name for name in files if re.fullmatch(r"src/.*\.c", name)]
documents = ["src/ARCHITECTURE.md", "CONTRIBUTING.md", *glob.glob("doc/**/*.md", recursive=True)]
problems = []
NAME = re.compile(r"`([\w./-]+\.(?:c|h|py|sh|ini|md|build|xml|scd|catalog|bash|policy|conf))`")
for document in documents:
    for number, line in enumerate(open(document), 1):
        for name in NAME.findall(line):
            if not any(path == name or path.endswith("/" + name) for path in files):
                problems.append(f"{document}:{number}: there is no {name}")

sources = "".join(open(name).read() for name in files if re.fullmatch(r"src/.*\.[ch]", name))
for number, line in enumerate(open("doc/limits.md"), 1):
    for constant in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", line):
        if not re.search(rf"\b{constant}\b", sources):
            problems.append(f"doc/limits.md:{number}: there is no {constant}")

words = set(re.findall(r"[\w-]+", open("src/ARCHITECTURE.md").read()))
for name in sorted({os.path.splitext(os.path.basename(path))[0] for path in modules}):
    if name not in words:
        problems.append(f"src/ARCHITECTURE.md does not name {name}")
print("\n".join(problems), end="\n" if problems else "")
sys.exit(bool(problems))
PYTHON
}
