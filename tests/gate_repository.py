# SPDX-License-Identifier: Apache-2.0
"""A small repository whose commits build a program that answers as readyq does, within a second or two."""

import os
import subprocess
from pathlib import Path

# No question is asked of the compiler, which would take longer than the build.
RULES = """cmake_minimum_required(VERSION 3.25)
set(CMAKE_C_COMPILER_WORKS 1)
project(readyq LANGUAGES C)
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --abbrev=12 --dirty --exclude=*
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    set(commit "unknown")
endif()
file(GLOB parts CONFIGURE_DEPENDS parts/*.c)
add_library(parts STATIC ${parts})
add_executable(readyq main.c)
target_compile_definitions(readyq PRIVATE COMMIT="${commit}")
target_link_libraries(readyq PRIVATE parts)
set_target_properties(readyq PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
"""
MAIN = r"""#include <stdio.h>
#include <string.h>
int first(int), second(int), third(int);
const char *where(void);
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        printf("readyq, commit %s (release, gcc), schema version of records 1\n", COMMIT);
    else if (argc > 1 && strcmp(argv[1], "list") == 0)
        printf("{\"queues\": [{\"name\": \"q%d\"}]}\n", first(1) + second(1) + third(1));
    else
        for (int i = 1; i < argc; i++)
            if (strcmp(argv[i], "--new-option") == 0) {
                fprintf(stderr, "readyq run: unrecognized option '--new-option'\n");
                return 2;
            }
    if (argc > 1 && strcmp(argv[1], "run") == 0)
        printf("{\"schema_version\": 1}\n");
    return where() == NULL;
}
"""
WHERE = "const char *where(void);\nconst char *where(void)\n{\n    return __FILE__;\n}\n"
PART = "int {name}(int x)\n{{\n    return x * {factor} + 1;\n}}\n"


def git(repository: Path, *words: str) -> str:
    """Git's answer, whatever the user's configuration is."""
    told = subprocess.run(
        ["git", "-c", "user.name=N", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false", *words],
        cwd=repository,
        env=os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null"},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.strip()


def commit(repository: Path, name: str) -> str:
    """All that is there, as a commit with a tag; its hash."""
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "-m", name)
    git(repository, "tag", name)
    return git(repository, "rev-parse", "HEAD")


def write_sources(folder: Path) -> None:
    """The first version's files."""
    (folder / "parts").mkdir(parents=True)
    (folder / "CMakeLists.txt").write_text(RULES)
    (folder / "main.c").write_text(MAIN)
    (folder / ".gitignore").write_text("/build/\n")
    (folder / "parts" / "where.c").write_text(WHERE)
    for factor, name in enumerate(("first", "second", "third"), 2):
        (folder / "parts" / f"{name}.c").write_text(PART.format(name=name, factor=factor))


def make(folder: Path) -> Path:
    """Tags: old, same (another comment), other (another number), broken, hanging, bare (no rules), old again (last)."""
    write_sources(folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "old")
    part, rules = folder / "parts" / "second.c", folder / "CMakeLists.txt"
    text = part.read_text()
    part.write_text(f"{text}// a remark\n")
    commit(folder, "same")
    part.write_text(text.replace("+ 1", "+ 8"))
    commit(folder, "other")
    part.write_text(text.replace("return x", "return y"))
    commit(folder, "broken")
    part.write_text(text)
    rules.write_text(f"{RULES}execute_process(COMMAND sh -c \"echo hanging && sleep 30 && echo went on\")\n")
    commit(folder, "hanging")
    rules.unlink()
    commit(folder, "bare")
    rules.write_text(RULES)
    commit(folder, "last")
    return folder
