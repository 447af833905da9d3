# SPDX-License-Identifier: Apache-2.0
# What was built, for the record: commit, build type, compiler and flags. The commit is read at every build, not
# only at configure time, so that a record never names an older one.

function(readyq_build_facts target)
    set(header ${CMAKE_BINARY_DIR}/generated/readyq_build.h)
    add_custom_target(readyq_build_header
        COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DHEADER=${header} -DTYPE=${CMAKE_BUILD_TYPE}
                -DSANITIZE=${READYQ_SANITIZE} -DINJECT=${READYQ_INJECT} "-DOBSERVED=${READYQ_OBSERVED}"
                "-DCOMPILER=${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
                -P ${CMAKE_SOURCE_DIR}/cmake/BuildHeader.cmake
        BYPRODUCTS ${header} VERBATIM COMMENT "")
    add_dependencies(${target} readyq_build_header)
endfunction()
