package ofp

// Multipart types (OpenFlow 1.5.1, section 7.3.5).
const (
	mpFlow        = 1
	mpGroupDesc   = 7
	mpMeterDesc   = 10
	mpPortDesc    = 13
	mpFlowMonitor = 16

	mpMore = 1 << 0 // flag: more parts follow
)

// multipart is the start of one part of a multipart reply.
type multipart struct {
	kind uint16
	more bool
	body *reader
}

func decodeMultipart(msg []byte) (multipart, error) {
	_, r, err := body(msg, typeMultipartReply)
	if err != nil {
		return multipart{}, err
	}
	m := multipart{kind: r.u16(), more: r.u16()&mpMore != 0, body: r}
	r.skip(4)
	if r.bad {
		return multipart{}, malformed("multipart reply")
	}
	return m, nil
}

// lastPart reports whether a message is the last part of a multipart reply.
// What is no well-formed part is an end as well.
func lastPart(msg []byte) bool {
	m, err := decodeMultipart(msg)
	return err != nil || !m.more
}
