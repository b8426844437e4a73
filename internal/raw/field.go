package raw

import "reflect"

// Field is the field of that name of the struct that of points to, exported or not. It is
// not ok where the struct has none of that type.
func Field[T any](of any, name string) (value T, ok bool) {
	v := reflect.ValueOf(of).Elem().FieldByName(name)
	if !v.IsValid() || v.Type() != reflect.TypeFor[T]() {
		return value, false
	}
	return *(*T)(v.Addr().UnsafePointer()), true
}
