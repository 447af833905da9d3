# SPDX-License-Identifier: Apache-2.0
# Reads queues/list.def, workloads/list.def and peers/list.def, so that adding a plug-in is one file and one line.
#
#   KIND(name, file)                    always built
#   KIND_IF("package", name, file)      built when the library of that Debian package is found
#   QUEUE_ALIAS(name, queue, "params")  a listed queue under another name, with presets
#   POOL_ALIAS(name, erts, "params", "job queue", "ready queue")  our pool under another name, with presets
#   QUEUE_BROKEN(name, "text")          a library's queue above breaks a promise: which one, and how to see it
#
# A file may stand in a folder of its own (libraries/x.c); one that ends with .cpp is built when there is a C++ compiler
# of the same make as the C compiler.
#
# Every line is read by CMake (which files to build) and by the C preprocessor (which plug-ins to list).

# How the library of a Debian package is found: package|pkg|pkg-config module, or package|header|a header of it, and
# |library to link, where there is one. With a module, that library is linked in place of all that the module names.
set(READYQ_PACKAGES
    "libuv1-dev|pkg|libuv"
    "libck-dev|header|ck_ring.h|ck"
    "liburcu-dev|pkg|liburcu-cds"
    "libglib2.0-dev|pkg|glib-2.0"
    "libdpdk-dev|pkg|libdpdk|rte_ring"
    "libconcurrentqueue-dev|header|concurrentqueue/concurrentqueue.h"
    "libreaderwriterqueue-dev|header|readerwriterqueue/readerwriterqueue.h"
    "libboost-dev|header|boost/lockfree/queue.hpp"
    "libtbb-dev|pkg|tbb"
    "libxenium-dev|header|xenium/michael_scott_queue.hpp"
    "libcds-dev|header|cds/init.h|cds"
    "erlang-dev|header|erl_driver.h"
    "libatomic-queue-dev|header|atomic_queue/atomic_queue.h")

# ThreadSanitizer sees neither the assembly of libraries nor what is inside of them, and would report races that are
# none.
set(by_default ON)
if(READYQ_SANITIZE MATCHES "thread")
    set(by_default OFF)
endif()
option(READYQ_LIBRARIES "Build the queues and pools of libraries that are installed" ${by_default})
if(NOT READYQ_LIBRARIES)
    message(STATUS "queues and pools: those of libraries are not built (READYQ_LIBRARIES is OFF, as it is by default "
                   "under ThreadSanitizer)")
endif()

# Packages of which that does not hold: they synchronise by pthread alone, which ThreadSanitizer sees.
set(READYQ_ALWAYS libuv1-dev)

# Packages of which nothing is built with sanitizers: these have to be there from the start of a program, and what is
# built for Erlang's emulator is loaded into one that is as it is.
set(READYQ_NEVER_SANITIZED erlang-dev)

# C++ is there for libraries only. The compiler is the one that comes with the C compiler, gcc-12 and g++-12, since the
# two share sanitizers. (A language can't be enabled inside of a function.)
file(STRINGS ${CMAKE_SOURCE_DIR}/queues/list.def queues_cxx REGEX "^ *QUEUE(_IF)?\\(.*\\.cpp\\)")
file(STRINGS ${CMAKE_SOURCE_DIR}/peers/list.def peers_cxx REGEX "^ *POOL(_IF)?\\(.*\\.cpp\\)")
if(READYQ_LIBRARIES AND (queues_cxx OR peers_cxx))
    if(NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX})
        get_filename_component(folder ${CMAKE_C_COMPILER} DIRECTORY)
        get_filename_component(cxx ${CMAKE_C_COMPILER} NAME)
        if(cxx MATCHES "clang")
            string(REPLACE "clang" "clang++" cxx ${cxx})
        elseif(cxx MATCHES "gcc")
            string(REPLACE "gcc" "g++" cxx ${cxx})
        else()
            string(REGEX REPLACE "cc" "c++" cxx ${cxx})
        endif()
        if(EXISTS ${folder}/${cxx})
            set(CMAKE_CXX_COMPILER ${folder}/${cxx})
        endif()
    endif()
    if(CMAKE_CXX_COMPILER OR DEFINED ENV{CXX})
        enable_language(CXX)
    endif()
    if(NOT CMAKE_CXX_COMPILER)
        message(STATUS "queues and pools: those in C++ are not built, as there is no C++ compiler beside "
                       "${CMAKE_C_COMPILER}")
    elseif(NOT CMAKE_CXX_COMPILER_ID STREQUAL CMAKE_C_COMPILER_ID)
        message(STATUS "queues and pools: those in C++ are not built, as the compilers differ: "
                       "${CMAKE_C_COMPILER_ID} for C, ${CMAKE_CXX_COMPILER_ID} for C++")
    else()
        set(READYQ_CXX ON)
    endif()
endif()

# Sets <version> to that of a package that is installed, as Debian counts; "" if it is not.
function(readyq_package_version package version)
    execute_process(COMMAND dpkg-query --show --showformat=\${db:Status-Status}=\${Version} ${package}
                    OUTPUT_VARIABLE text ERROR_QUIET)
    if(NOT text MATCHES "^installed=(.+)$")
        set(CMAKE_MATCH_1 "")
    endif()
    set(${version} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

# Looks for what one line of READYQ_PACKAGES says. Sets in the caller <found>, <link> and <options>, with which a file
# that uses it is compiled.
function(readyq_look way what library id)
    set(found NO)
    set(link "")
    set(options "")
    if(library)
        find_library(${id}_LIBRARY ${library})
        set(link ${${id}_LIBRARY})
    endif()
    if(way STREQUAL "pkg" AND library)
        pkg_check_modules(${id} QUIET ${what})
        set(options ${${id}_CFLAGS_OTHER})
        list(TRANSFORM ${id}_INCLUDE_DIRS PREPEND "-isystem" OUTPUT_VARIABLE folders)
        list(APPEND options ${folders})
        set(found ${${id}_FOUND})
    elseif(way STREQUAL "pkg")
        pkg_check_modules(${id} QUIET IMPORTED_TARGET ${what})
        set(link PkgConfig::${id})
        set(found ${${id}_FOUND})
    else()
        if(${id}_FOLDER AND NOT EXISTS ${${id}_FOLDER}/${what}) # removed since it was found
            unset(${id}_FOLDER CACHE)
        endif()
        find_path(${id}_FOLDER ${what})
        set(found ${${id}_FOLDER})
    endif()
    if(library AND NOT ${id}_LIBRARY)
        set(found NO)
    endif()
    set(found "${found}" PARENT_SCOPE)
    set(link "${link}" PARENT_SCOPE)
    set(options "${options}" PARENT_SCOPE)
endfunction()

# Looks for the library of a package, once. It is known afterwards by the global properties READYQ_<package>_FOUND,
# _LINK, _OPTIONS and _VERSION.
function(readyq_find_library package)
    get_property(done GLOBAL PROPERTY READYQ_${package}_FOUND SET)
    if(done)
        return()
    endif()
    string(MAKE_C_IDENTIFIER "${package}" id)
    foreach(line IN LISTS READYQ_PACKAGES)
        string(REPLACE "|" ";" parts "${line}")
        set(library "")
        list(POP_FRONT parts name way what library)
        if(name STREQUAL package)
            readyq_look(${way} ${what} "${library}" ${id})
            readyq_package_version(${package} version)
            if(found AND NOT version)
                set(version "unknown")
            endif()
            set_property(GLOBAL PROPERTY READYQ_${package}_FOUND "${found}")
            set_property(GLOBAL PROPERTY READYQ_${package}_LINK "${link}")
            set_property(GLOBAL PROPERTY READYQ_${package}_OPTIONS "${options}")
            set_property(GLOBAL PROPERTY READYQ_${package}_VERSION "${version}")
            return()
        endif()
    endforeach()
    message(FATAL_ERROR "cmake/Plugins.cmake does not know how to find the library of package '${package}'; "
                        "add it to READYQ_PACKAGES.")
endfunction()

# Adds a line to what the registries are told.
function(readyq_have name value)
    set_property(GLOBAL APPEND_STRING PROPERTY READYQ_HAVE "#define READYQ_${name} ${value}\n")
endfunction()

# Sets <kind>_SOURCES and <kind>_LIBRARIES from <folder>/list.def, and collects what was found for readyq_have.h.
function(readyq_plugins kind folder)
    set(list ${folder}/list.def)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${list})
    file(READ ${list} text)
    string(APPEND text "\n")
    set(number 0)
    set(names "")
    set(sources "")
    set(libraries "")
    set(foreign "") # names of plug-ins that need a library
    set(broken "")
    set(missing "") # packages
    set(identifier "[a-z][a-z0-9_]*")
    set(source "([a-z]+/)?[a-z0-9_]+\\.(c|cpp)")
    # Line by line, and not as a list, in which brackets and semicolons would have a meaning.
    while(NOT text STREQUAL "")
        math(EXPR number "${number} + 1")
        string(FIND "${text}" "\n" end)
        string(SUBSTRING "${text}" 0 ${end} line)
        math(EXPR end "${end} + 1")
        string(SUBSTRING "${text}" ${end} -1 text)
        string(STRIP "${line}" line)
        if(line STREQUAL "" OR line MATCHES "^//")
            continue()
        endif()
        set(file "")
        set(package "")
        if(line MATCHES "^${kind}\\((${identifier}), *(${source})\\)$")
            set(name ${CMAKE_MATCH_1})
            set(file ${CMAKE_MATCH_2})
        elseif(line MATCHES "^${kind}_IF\\(\"([a-z0-9.+-]+)\", *(${identifier}), *(${source})\\)$")
            set(package ${CMAKE_MATCH_1})
            set(name ${CMAKE_MATCH_2})
            set(file ${CMAKE_MATCH_3})
        elseif(kind STREQUAL "QUEUE"
               AND line MATCHES "^QUEUE_ALIAS\\((${identifier}), *(${identifier}), *\"([^\"]+)\"\\)$")
            set(name ${CMAKE_MATCH_1})
            set(target ${CMAKE_MATCH_2})
            if(NOT target IN_LIST names)
                message(FATAL_ERROR "${list}:${number}: alias '${name}' is for '${target}', which is not listed above "
                                    "it.")
            endif()
            if(target IN_LIST foreign)
                message(FATAL_ERROR "${list}:${number}: alias '${name}' is for '${target}', which is of a library and may "
                                    "not be built.")
            endif()
        elseif(kind STREQUAL "POOL" AND line MATCHES
               "^POOL_ALIAS\\((${identifier}), *(${identifier}), *\"([^\"]+)\", *\"([^\"]+)\", *\"([^\"]+)\"\\)$")
            set(name ${CMAKE_MATCH_1})
            set(target ${CMAKE_MATCH_2})
            if(NOT target STREQUAL "erts")
                message(FATAL_ERROR "${list}:${number}: alias '${name}' is for '${target}', and not for erts, our own.")
            endif()
        elseif(kind STREQUAL "QUEUE" AND line MATCHES "^QUEUE_BROKEN\\((${identifier}), *\"([^\"\\]+)\"\\)$")
            set(name ${CMAKE_MATCH_1})
            set(why "${CMAKE_MATCH_2}")
            if(NOT name IN_LIST foreign)
                message(FATAL_ERROR "${list}:${number}: '${name}' is no queue of a library that is listed above.")
            endif()
            if(name IN_LIST broken)
                message(FATAL_ERROR "${list}:${number}: '${name}' is said to be broken twice.")
            endif()
            readyq_have(BROKEN_${name} "\"${why}\"")
            list(APPEND broken ${name})
            continue()
        else()
            message(FATAL_ERROR "${list}:${number}: cannot read '${line}'; a line is ${kind}(name, file.c), "
                                "${kind}_IF(\"package\", name, file.c) or, for queues, "
                                "QUEUE_ALIAS(name, queue, \"params\") or QUEUE_BROKEN(name, \"text\"), or, for pools, "
                                "POOL_ALIAS(name, erts, \"params\", \"queue\", \"queue\").")
        endif()
        if(name IN_LIST names)
            message(FATAL_ERROR "${list}:${number}: the name '${name}' is given twice.")
        endif()
        list(APPEND names ${name})
        if(file AND NOT EXISTS ${CMAKE_SOURCE_DIR}/${folder}/${file})
            message(FATAL_ERROR "${list}:${number}: '${name}' names ${folder}/${file}, which does not exist.")
        endif()
        if(file MATCHES "\\.cpp$" AND NOT package)
            message(FATAL_ERROR "${list}:${number}: '${name}' is in C++, which only what comes from a library may be.")
        endif()
        if(package)
            list(APPEND foreign ${name})
            readyq_find_library(${package})
            foreach(fact FOUND LINK OPTIONS VERSION)
                get_property(${fact} GLOBAL PROPERTY READYQ_${package}_${fact})
            endforeach()
            if(NOT FOUND)
                list(APPEND missing ${package})
                set(VERSION "")
            endif()
            if(VERSION)
                set(VERSION "\"${VERSION}\"")
            else()
                set(VERSION NULL)
            endif()
            if(NOT FOUND OR (NOT READYQ_LIBRARIES AND NOT package IN_LIST READYQ_ALWAYS)
               OR (file MATCHES "\\.cpp$" AND NOT READYQ_CXX)
               OR (package IN_LIST READYQ_NEVER_SANITIZED AND READYQ_SANITIZE))
                set(file "")
            endif()
            readyq_have(VERSION_${name} "${VERSION}")
            if(file)
                readyq_have(HAVE_${name} 1)
                list(APPEND libraries ${LINK})
                set_source_files_properties(${CMAKE_SOURCE_DIR}/${folder}/${file}
                                            PROPERTIES COMPILE_OPTIONS "${OPTIONS}")
            else()
                readyq_have(HAVE_${name} 0)
            endif()
        endif()
        if(file)
            list(APPEND sources ${CMAKE_SOURCE_DIR}/${folder}/${file})
        endif()
    endwhile()
    if(NOT names AND NOT kind STREQUAL "POOL")
        message(FATAL_ERROR "${list} lists nothing.")
    endif()
    foreach(name IN LISTS foreign)
        if(NOT name IN_LIST broken)
            readyq_have(BROKEN_${name} NULL)
        endif()
    endforeach()
    if(missing)
        list(REMOVE_DUPLICATES missing)
        list(JOIN missing " " missing)
        message(STATUS "${folder}: what needs these packages is not built, as they are not installed: ${missing}")
    endif()
    list(REMOVE_DUPLICATES sources)
    list(REMOVE_DUPLICATES libraries)
    set(${kind}_SOURCES ${sources} PARENT_SCOPE)
    set(${kind}_LIBRARIES ${libraries} PARENT_SCOPE)
endfunction()

# Tells the registries which of the KIND_IF plug-ins are built, from which version, and what is known to be broken.
function(readyq_write_have)
    get_property(text GLOBAL PROPERTY READYQ_HAVE)
    set(text "// Generated by cmake/Plugins.cmake.\n${text}")
    set(header ${CMAKE_BINARY_DIR}/generated/readyq_have.h)
    set(there "")
    if(EXISTS ${header})
        file(READ ${header} there)
    endif()
    if(NOT there STREQUAL text) # otherwise its date stays, and nothing is built anew
        file(WRITE ${header} "${text}")
    endif()
endfunction()
