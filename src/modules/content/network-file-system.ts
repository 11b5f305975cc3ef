/** Types of file systems that several hosts may use, with the numbers of statfs(2). */
const NETWORK: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xfe534d42: "SMB",
  0xff534d42: "CIFS",
  0x5346414f: "AFS",
  0x00c36400: "Ceph",
  0x0bd00bd0: "Lustre",
  0x47504653: "GPFS",
  0x01161970: "GFS2",
  0x7461636f: "OCFS2",
};

/**
 * The name of a file system that other hosts may use too.
 * @param type the number from `statfs`, which some systems give as a negative number
 */
export function networkFileSystem(type: number): string | undefined {
  return NETWORK[type >>> 0];
}
