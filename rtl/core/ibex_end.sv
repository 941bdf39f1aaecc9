// Behind the files of the control core: takes back its macros whose names our rtl/common/assert.svh uses.
`undef ASSERT
`undef COVER
