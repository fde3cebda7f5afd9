/* SPDX-License-Identifier: MIT */
/* The report's page as read-only data. */
    .section .rodata
    .global report_page
    .global report_page_end
report_page:
    .incbin "scenarios/report/page.html"
report_page_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
