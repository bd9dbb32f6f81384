/* Hexadecimal digits, in either case. */
#ifndef HEADGATE_BASE_HEX_H
#define HEADGATE_BASE_HEX_H

#include <stdbool.h>

/* 0 to 15, or -1. */
static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static inline bool hex_is_digit(char c)
{
	return hex_value(c) >= 0;
}

#endif
