/* A file that becomes part of the program when it is built, which the assembler copies: paths are from the project's top
 * folder, where the build runs. A byte of zero follows it. */
#ifndef HEADGATE_BASE_EMBED_H
#define HEADGATE_BASE_EMBED_H

#include "base/slice.h"

/* At file scope; `name` is of the whole program. */
#define EMBED(name, path)                                                                  \
	__asm__(".pushsection .rodata\n"                                                   \
	        ".type embedded_" #name "_begin, @object\n"                                \
	        "embedded_" #name "_begin:\n"                                              \
	        ".incbin \"" path "\"\n"                                                   \
	        ".type embedded_" #name "_end, @object\n"                                  \
	        "embedded_" #name "_end:\n"                                                \
	        ".byte 0\n"                                                                \
	        ".popsection\n");                                                          \
	extern const char embedded_##name##_begin[] __attribute__((visibility("hidden"))); \
	extern const char embedded_##name##_end[] __attribute__((visibility("hidden")))

/* Its bytes. */
#define EMBEDDED(name) embed_slice(embedded_##name##_begin, embedded_##name##_end)

static inline struct slice embed_slice(const char *begin, const char *end)
{
	return (struct slice) { begin, (size_t)((uintptr_t)end - (uintptr_t)begin) };
}

#endif
