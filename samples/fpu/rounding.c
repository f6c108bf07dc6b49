// The rounding mode and the sticky exception flags, seen from C: sums round up, and a division by zero
// from before is still on record.
//#Flags: -lm -frounding-math
#include "../lib/sample.h"
#include <fenv.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    volatile double zero = argc - argc, one = 1, three = 3, tiny = 1e-30;
    feclearexcept(FE_ALL_EXCEPT);
    volatile double infinite = one / zero;
    fesetround(FE_UPWARD);
    double up = one / three;
    volatile long double up_long = (long double)one / three;

    ready();
    wait_for_go();
    SPOIL(1, fesetround(FE_TONEAREST));
    SPOIL(2, feclearexcept(FE_ALL_EXCEPT));

    expect(fegetround() == FE_UPWARD, "rounding mode %x", (unsigned)fegetround());
    expect(fetestexcept(FE_DIVBYZERO), "FE_DIVBYZERO is lost");
    expect(one + tiny > one, "sums no longer round up");
    volatile double again = one / three;
    volatile long double again_long = (long double)one / three;
    expect(again == up && again_long == up_long, "quotients differ");
    expect(infinite > 1e300, "infinity");
    pass();
}
