// The main function of every test; holds no tests.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
