/* The program: everything is in the commands. */
#include <unistd.h>

#include "command/command.h"

int main(int argc, char **argv)
{
	return command_run(argc, argv, environ);
}
