/* The command. Commands are added here as their parts arrive; without one the usage is printed. */
#include <stdio.h>

#include "base/error.h"

int main(void)
{
	fputs("usage: headgate [serve] [--config FILE] [--data-dir DIR] [--listen ADDR:PORT] [--admin ADDR:PORT]\n",
	      stderr);
	return error_exit_code(ERROR_USAGE);
}
