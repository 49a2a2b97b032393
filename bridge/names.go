package bridge

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName        = 64 // characters of a conference name
	maxDisplayName = 64 // characters of a participant's
)

// ValidName says whether a conference can have this name: it stands in a URI, a path and a log line.
func ValidName(name string) bool {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || name == "." || name == ".." {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r == '/' || r == '@' || unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
}

// conferenceURI is the SIP URI of a conference; what cannot stand in a user part is escaped (RFC 3261 §19.1.2).
func conferenceURI(name, domain string) string {
	return "sip:" + strings.ReplaceAll(url.PathEscape(name), ":", "%3A") + "@" + domain
}

// cleanName is a display name without what cannot be shown, at most maxDisplayName characters long.
func cleanName(s string) string {
	return clip(strings.Join(strings.Fields(cleanText(s)), " "), maxDisplayName)
}

// clip is the first n characters of s.
func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return strings.TrimSpace(string(runes[:n]))
	}
	return s
}

// cleanText is text without control characters other than line breaks, and without space around it.
func cleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r == utf8.RuneError || unicode.IsControl(r) || bidi(r):
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// bidi says whether r turns the direction of what follows, with which one name can be made to look like another.
func bidi(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 }

// userPart is what stands before the host in a SIP address, without its scheme, parameters and brackets; a bare number or name is itself.
func userPart(target string) string {
	if _, rest, ok := strings.Cut(target, "<"); ok {
		target, _, _ = strings.Cut(rest, ">")
	}
	for _, scheme := range []string{"sip:", "sips:", "tel:"} {
		if len(target) > len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			target = target[len(scheme):]
			break
		}
	}
	user, _, _ := strings.Cut(target, "@")
	user, _, _ = strings.Cut(user, ";")
	return user
}

// maskNumber keeps of a telephone number the head that tells its country and the last two digits. Short extensions
// and names stay as they are.
func maskNumber(number string) string {
	if !isNumber(number) {
		return number
	}
	digits := strings.Map(onlyDigits, number)
	if len(digits) <= 4 {
		return number
	}
	head := ""
	if strings.HasPrefix(strings.TrimSpace(number), "+") && len(digits) > 6 {
		head = "+" + digits[:2] + " "
	}
	return head + "… " + digits[len(digits)-2:]
}

func onlyDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

// maskName masks a name that is a telephone number.
func maskName(name, number string) string {
	if isNumber(name) {
		return maskNumber(name)
	}
	if isNumber(number) && len(number) > 4 {
		return strings.ReplaceAll(name, number, maskNumber(number))
	}
	return name
}

// isNumber says whether s is written as telephone numbers are.
func isNumber(s string) bool {
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune("+*#-./() ", r):
			return false
		}
	}
	return digits > 0
}

func itoa(n int) string { return strconv.Itoa(n) }
