/* The assembler copies the file at build time; the build runs in the top folder. */
#include "config/embedded.h"

__asm__(".pushsection .rodata\n"
        ".type config_embedded_begin, @object\n"
        "config_embedded_begin:\n"
        ".incbin \"config/headgate.jsonc\"\n"
        ".type config_embedded_end, @object\n"
        "config_embedded_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char config_embedded_begin[] __attribute__((visibility("hidden")));
extern const char config_embedded_end[] __attribute__((visibility("hidden")));

struct slice config_embedded(void)
{
	return (struct slice) { config_embedded_begin,
		                (size_t)((uintptr_t)config_embedded_end - (uintptr_t)config_embedded_begin) };
}
