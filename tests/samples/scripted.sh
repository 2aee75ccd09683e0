#!/bin/sh
# Stands for a program in tests: linked under the program's name, it runs `NAME.script` beside the link.
# It is a file of its own, and linked, because a program that was written a moment ago cannot be started while another
# thread's child still has it open for writing ("Text file busy").
. "$0.script"
