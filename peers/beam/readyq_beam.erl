%% SPDX-License-Identifier: Apache-2.0
%% Loads the driver that holds the program, and gives its port a turn whenever it wants one. Between two turns it gives
%% way, so that ERTS sees to jobs that have come home and to whatever else there is.
-module(readyq_beam).
-export([start/0]).

start() ->
    spawn(fun open/0).

open() ->
    Folder = filename:dirname(code:which(?MODULE)),
    case erl_ddll:load_driver(Folder, "readyq_beam") of
        ok ->
            serve(open_port({spawn_driver, "readyq_beam"}, []));
        {error, Reason} ->
            io:format(standard_error, "readyq: ERTS can't load readyq_beam.so: ~ts~n",
                      [erl_ddll:format_error(Reason)]),
            halt(2)
    end.

serve(Port) ->
    case erlang:port_control(Port, 0, []) of
        [] ->
            receive call -> ok end;
        _ ->
            erlang:yield()
    end,
    serve(Port).
