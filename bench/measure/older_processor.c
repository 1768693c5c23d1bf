/* Makes a program believe that its processor lacks newer vector instructions, by Linux's faulting of CPUID.
 *
 * Preloaded (LD_PRELOAD) with OLDER_PROCESSOR=avx2 (nothing newer than AVX2 and FMA) or sse42 (nothing newer than
 * SSE4.2). Libraries that choose their kernels by CPUID, as onnxruntime, oneDNN, OpenBLAS and numpy do, then take those
 * of an older processor: the arithmetic is what that would perform, the clock and the caches are this machine's. glibc
 * has chosen its own before. A processor that cannot fault ends the program: it must not pass for what it is not.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

/* Leaf 1, ecx: FMA, AVX, F16C. */
#define AVX_1C (BIT(12) | BIT(28) | BIT(29))
/* Leaf 7, ebx: AVX2; AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL. */
#define AVX2_7B BIT(5)
#define AVX512_7B (BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31))
/* Leaf 7, ecx: AVX512 VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; edx: 4VNNIW, 4FMAPS, VP2INTERSECT, FP16, AMX. */
#define AVX512_7C (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
#define AVX512_7D (BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25))

static int is_sse42;

static void set_cpuid(unsigned long allowed)
{
	if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, allowed) != 0) {
		static const char message[] = "older_processor: this processor or kernel cannot fault CPUID\n";
		(void)!write(2, message, sizeof message - 1);
		_exit(97);
	}
}

static void answer(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *code = (const uint8_t *)registers[REG_RIP];
	unsigned a, b, c, d, leaf = registers[REG_RAX], part = registers[REG_RCX];

	(void)info;
	if (code[0] != 0x0f || code[1] != 0xa2) { /* a real fault: let it happen again, unhandled */
		signal(number, SIG_DFL);
		return;
	}
	set_cpuid(1);
	__cpuid_count(leaf, part, a, b, c, d);
	set_cpuid(0);
	if (leaf == 1 && is_sse42)
		c &= ~AVX_1C;
	if (leaf == 7 && part == 0) {
		b &= ~(AVX512_7B | (is_sse42 ? AVX2_7B : 0));
		c &= ~AVX512_7C;
		d &= ~AVX512_7D;
	}
	if (leaf == 7 && part > 0)
		a = b = c = d = 0; /* AVX-VNNI, AVX512-BF16 and later */
	registers[REG_RAX] = a;
	registers[REG_RBX] = b;
	registers[REG_RCX] = c;
	registers[REG_RDX] = d;
	registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void become_older(void)
{
	const char *level = getenv("OLDER_PROCESSOR");
	struct sigaction action;

	if (level == NULL || (strcmp(level, "avx2") != 0 && strcmp(level, "sse42") != 0)) {
		fprintf(stderr, "older_processor: OLDER_PROCESSOR is %s; it must be avx2 or sse42\n", level ? level : "not set");
		_exit(97);
	}
	is_sse42 = strcmp(level, "sse42") == 0;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = answer;
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigaction(SIGSEGV, &action, NULL);
	set_cpuid(0);
}
