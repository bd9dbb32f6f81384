/* Lets ThreadSanitizer see librdkafka's threads and locks; nothing in other builds. */
#ifndef HEADGATE_FORWARD_KAFKA_THREADS_H
#define HEADGATE_FORWARD_KAFKA_THREADS_H

#include <stdbool.h>

/* Whoever makes a producer refers to it, so that the linker takes these functions instead of glibc's. */
extern const bool KAFKA_THREADS_SEEN;

#endif
