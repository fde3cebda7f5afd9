/* SPDX-License-Identifier: MIT */
/* Text in XML, for the JUnit files that CI systems read. */
#ifndef NETSPLIT_BASE_XML_H
#define NETSPLIT_BASE_XML_H

#include <stdio.h>

/* Writes text (NULL: nothing) as it may stand in an element or in an attribute's double
 * quotes. What XML 1.0 cannot hold becomes "?". */
void xml_put_escaped(FILE *to, const char *text);

#endif
