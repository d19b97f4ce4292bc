/* SPDX-License-Identifier: MIT */
/* What takes the place of where.c's program at its path: as large, with other functions at all its addresses.
 * Never run. */
void wrong_name(void);
void wrong_name(void)
{
	__asm__ volatile(".skip 65536, 0x90");
}

int main(void)
{
	wrong_name();
	return 0;
}
