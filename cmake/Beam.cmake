# SPDX-License-Identifier: Apache-2.0
# The inner side of pool beam: the whole program once more, as a linked-in driver of Erlang's emulator, and the module
# that loads it. Both stand beside the program. See peers/beam.c.

function(readyq_beam program)
    find_program(READYQ_ERLC erlc REQUIRED)
    find_program(READYQ_ERL erl REQUIRED)
    execute_process(COMMAND ${READYQ_ERL} -noinput -boot no_dot_erlang
                            -eval "io:put_chars(erlang:system_info(version)), halt()."
                    OUTPUT_VARIABLE version COMMAND_ERROR_IS_FATAL ANY)
    set(folder ${CMAKE_SOURCE_DIR}/peers/beam)
    add_library(readyq_beam MODULE ${CMAKE_SOURCE_DIR}/core/run/main.c ${folder}/driver.c ${folder}/fiber.c
                ${folder}/pool.c)
    set_target_properties(readyq_beam PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
                          LINK_DEPENDS ${folder}/exports.map)
    # A record names the version that was there then, so another emulator is refused.
    target_compile_definitions(readyq_beam PRIVATE READYQ_ERTS_VERSION="${version}")
    # fiber.c jumps from one stack to another, which the checks of _FORTIFY_SOURCE take for an error.
    target_compile_options(readyq_beam PRIVATE -U_FORTIFY_SOURCE)
    # The emulator has names of its own; none may stand in for one of the program's.
    target_link_options(readyq_beam PRIVATE -Wl,--version-script=${folder}/exports.map)
    target_link_libraries(readyq_beam PRIVATE readyq_registry readyq_queues readyq_core)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/readyq_beam.beam
        COMMAND ${READYQ_ERLC} -Werror -o ${CMAKE_BINARY_DIR} ${folder}/readyq_beam.erl
        DEPENDS ${folder}/readyq_beam.erl VERBATIM)
    add_custom_target(readyq_beam_module DEPENDS ${CMAKE_BINARY_DIR}/readyq_beam.beam)
    add_dependencies(${program} readyq_beam readyq_beam_module)
endfunction()
