/* SPDX-License-Identifier: MIT */
/* Log lines on stderr: one event, one line, the object first, then facts with units:
 * "12.345 warn connection=17 rule=slow-db to_client stalled 4096 bytes". */
#ifndef NETSPLIT_BASE_LOG_H
#define NETSPLIT_BASE_LOG_H

enum log_level { LOG_ERROR = 0, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What is printed from now on; the default is LOG_WARN. */
void log_set_level(enum log_level level);

/* Prints one line if level is enabled. Never blocks longer than stderr does. */
void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
