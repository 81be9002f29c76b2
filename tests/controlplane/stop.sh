#!/bin/bash
# stop.sh DIR: ends what start.sh DIR started, and nothing else. By SIGKILL: the data is thrown away, and the API
# server's orderly end waits 10 s and more for open watches.
dir=${1:?the folder given to start.sh}
for name in watch kwok kube-scheduler kube-controller-manager kube-apiserver etcd; do
  pid=$(cat "$dir/pid/$name" 2>/dev/null) || continue
  command=$(ps -o args= -p "$pid") || command= # ended already
  [ "$pid" = $$ ] && continue                  # the watch became this script
  case $command in # a number may have been given to another program since
    */"$name "* | "bash -c tail --pid="*) kill -9 -- "-$pid" ;; # start.sh gave each its own process group
  esac
  rm -f "$dir/pid/$name"
done
