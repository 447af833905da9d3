# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)

# Run at every build: writes readyq_build.h if its content changed.
set(commit "unknown")
find_package(Git QUIET)
if(GIT_FOUND)
    execute_process(COMMAND ${GIT_EXECUTABLE} -C ${SOURCE} describe --always --abbrev=12 --dirty --exclude=*
                    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
    if(result EQUAL 0)
        set(commit ${described})
    endif()
endif()
string(TOLOWER "${TYPE}" build)
if(SANITIZE)
    string(REPLACE "," "+" sanitize "${SANITIZE}")
    string(APPEND build "+${sanitize}")
endif()
if(INJECT)
    string(APPEND build "+inject")
endif()
string(APPEND build "${OBSERVED}")
string(TOLOWER "${COMPILER}" compiler)
file(CONFIGURE OUTPUT ${HEADER} @ONLY CONTENT "// Generated at build time.
#define READYQ_COMMIT \"@commit@\"
#define READYQ_BUILD \"@build@\"
#define READYQ_COMPILER \"@compiler@\"
")
