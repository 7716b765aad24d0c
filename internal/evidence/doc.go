// Package evidence turns records into proof: leaves go into an RFC 6962 Merkle
// tree kept as tiles, the tree's head is signed as a checkpoint, and a bundle
// carries one story with everything needed to verify it offline.
//
//	body, salt -> Commit -> entry (32 bytes) -> Append -> tiles, root -> Signer.Sign -> checkpoint
//	             records, ProveInclusion, checkpoint -> Encode -> one file -> OpenBundle
//
// It is pure: no clock, no randomness but the reader it is handed, no disk, no
// network; tiles are reached through the port [Tiles]. It knows nothing of
// access: a body is bytes, a subject is a string. It never decides what is
// recorded, never stores a body, and never signs twice for two histories by
// itself: whoever signs compares [Root] with the last checkpoint first.
//
// The log holds commitments only. Whoever erases a body together with its salt
// leaves 32 bytes that say nothing about it, and every proof stays whole.
//
// Formats: c2sp.org/tlog-tiles, c2sp.org/tlog-checkpoint, c2sp.org/signed-note.
package evidence
